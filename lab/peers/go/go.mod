module wharf/lab/peers/go

go 1.19
