package consul

import (
	"testing"

	"lictor/internal/consultest"
)

// A protocol is one of those that Consul, or what is between it and us, may speak.
type protocol int

const (
	plain protocol = iota // HTTP/1.1 without TLS
	http2                 // over TLS, where many requests share a connection: Consul itself
	http1                 // over TLS, where each has one: most of what is put before Consul
)

var protocols = []protocol{plain, http2, http1}

func (p protocol) String() string {
	return [...]string{"HTTP", "TLS and HTTP/2", "TLS and HTTP/1.1"}[p]
}

// reach tells where a server can be reached in this protocol, and how. The server must have been started with TLS unless p is plain.
func (p protocol) reach(t *testing.T, server *consultest.Server) (address string, secured TLS) {
	switch p {
	case http2:
		return server.HTTPSAddr, TLS{Enabled: true, CAFile: server.CAFile}
	case http1:
		return server.HTTP1(t), TLS{Enabled: true, CAFile: server.CAFile}
	}
	return server.Addr, TLS{}
}
