# filled once the layers exist
