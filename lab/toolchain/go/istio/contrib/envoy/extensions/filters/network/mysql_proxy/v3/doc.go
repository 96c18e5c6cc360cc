package v3

import "google.golang.org/protobuf/types/known/emptypb"

type MySQLProxy struct {
	*emptypb.Empty
	StatPrefix string
}
