// Package examples holds the examples: templates, data files and what becomes of them.
package examples

import "embed"

// Files holds the example folders, so that a program has them without a clone: "haproxy/haproxy.ctmpl" with
// "haproxy/data.yaml", "nginx/nginx.ctmpl" with "nginx/data.yaml".
//
//go:embed haproxy/haproxy.ctmpl haproxy/data.yaml nginx/nginx.ctmpl nginx/data.yaml
var Files embed.FS
