package v3alpha

import (
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/emptypb"
)

type QatPrivateKeyMethodConfig struct {
	*emptypb.Empty
	PollDelay  *durationpb.Duration
	PrivateKey *corev3.DataSource
}
