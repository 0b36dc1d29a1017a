module github.com/libbitcask/libbitcask/bindings/go

go 1.25

require pgregory.net/rapid v1.3.0
