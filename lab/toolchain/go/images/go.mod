module toolchain/images

go 1.26.0
