module github.com/libbitcask/libbitcask/examples

go 1.25

require github.com/libbitcask/libbitcask/bindings/go v0.0.0

replace github.com/libbitcask/libbitcask/bindings/go => ../bindings/go
