// Visibility of what libstrata.so offers: everything else in it is hidden.
#pragma once

#define STRATA_EXPORT [[gnu::visibility("default")]]
