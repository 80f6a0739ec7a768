package consul

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"path"
	"slices"
	"strconv"
	"strings"
)

// errNoPath says that Consul reaches no server of the datacenter that a call names.
var errNoPath = errors.New("no path to datacenter")

// noPath makes the error of a call that met errNoPath. Consul says the same of a datacenter that does not exist and of one that can't be
// reached now, so noPath reads which ones exist. Neither error is permanent: a server that has just started knows only its own
// datacenter until it has joined the others.
func (c *client) noPath(ctx context.Context, r call) error {
	var known []string
	dc := r.query.Get("dc")
	_, err := c.ask(ctx, call{path: "catalog/datacenters"}, func(body io.Reader) (err error) {
		known, err = decodeDatacenters(body)
		return err
	})
	if err != nil || dc == "" || slices.Contains(known, dc) {
		return fmt.Errorf("consul at %s: %w %q", c.base, errNoPath, dc)
	}
	kind, hint := "query", ""
	if key, ok := strings.CutPrefix(r.path, "kv/"); ok {
		folder := "FOLDER"
		if key, err := url.PathUnescape(key); err == nil && !r.query.Has("recurse") { // else r may be for many keys
			folder = strconv.Quote(cmp.Or(strings.Trim(path.Dir("/"+key), "/"), "/"))
		}
		kind, hint = "key", fmt.Sprintf("; {{ range ls %s }} reads keys that have an @", folder)
	}
	return fmt.Errorf("consul at %s: there is no datacenter %q (what follows @ in a %s is one; known: %s)%s",
		c.base, dc, kind, strings.Join(known, ", "), hint)
}

func decodeDatacenters(r io.Reader) ([]string, error) {
	names := []string{}
	if err := one(r, &names); err != nil {
		return nil, err
	}
	if slices.Contains(names, "") { // or null, which is decoded to that
		return nil, errNameless
	}
	slices.Sort(names)
	return notNil(names), nil
}
