package consul

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"lictor/watch"
)

// TestRedirects has servers that redirect each request once. The token follows where the request was meant to go, and is sent to
// nobody else, also where the redirect comes when a query is already held open.
func TestRedirects(t *testing.T) {
	for _, c := range []struct {
		name        string
		secure      bool                                    // what redirects speaks TLS
		to          func(from, other, secure string) string // where to, of HOST:PORTs
		held        bool                                    // only blocking queries are redirected
		says        string                                  // "" where it is followed
		alsoToOther bool                                    // the other server may get the token
	}{
		{name: "same host", to: func(from, _, _ string) string { return "http://" + from }},
		{name: "same host, TLS", secure: true, to: func(from, _, _ string) string { return "https://" + from }},
		{name: "relative", to: func(_, _, _ string) string { return "" }},
		{name: "to TLS", to: func(_, _, secure string) string { return "https://" + secure }, alsoToOther: true},
		{name: "another name", to: func(_, other, _ string) string {
			return "http://" + strings.Replace(other, "127.0.0.1", "localhost", 1)
		}, says: "redirects to another host, localhost:"},
		{name: "another port", to: func(_, other, _ string) string { return "http://" + other }, says: "redirects to another host, 127.0.0.1:"},
		{name: "another name, TLS", secure: true, to: func(_, _, secure string) string {
			return "https://" + strings.Replace(secure, "127.0.0.1", "localhost", 1)
		}, says: "redirects to another host, localhost:"},
		{name: "while it is held", held: true, to: func(_, other, _ string) string { return "http://" + other }}, // it is read in turn then
		{name: "from TLS", secure: true, to: func(_, other, _ string) string { return "http://" + other }, says: "redirects from https to http"},
	} {
		for _, status := range []int{http.StatusFound, http.StatusTemporaryRedirect} {
			t.Run(fmt.Sprintf("%s, %d", c.name, status), func(t *testing.T) {
				t.Parallel()
				var followed, leaked, redirected atomic.Int64
				answer := func(count *atomic.Int64) http.HandlerFunc {
					return func(w http.ResponseWriter, r *http.Request) {
						if _, password, _ := r.BasicAuth(); r.Header.Get("X-Consul-Token") == "tok" && password == "pw" {
							count.Add(1)
						}
						w.Header().Set("X-Consul-Index", "9")
						if waits(r) {
							<-r.Context().Done()
						}
						fmt.Fprint(w, aKey)
					}
				}
				other := quietServer(t, false, answer(&leaked))
				secure := quietServer(t, true, answer(&leaked))
				var from *httptest.Server
				from = quietServer(t, c.secure, func(w http.ResponseWriter, r *http.Request) {
					if strings.HasPrefix(r.URL.Path, "/there") || c.held && !waits(r) {
						answer(&followed)(w, r)
						return
					}
					redirected.Add(1)
					to := c.to(from.Listener.Addr().String(), other.Listener.Addr().String(), secure.Listener.Addr().String())
					http.Redirect(w, r, to+"/there"+r.URL.RequestURI(), status)
				})
				config := Config{Address: from.URL, Token: "tok", Username: "me", Password: "pw", TLS: TLS{SkipVerify: true}}
				w := follow(t, open(t, config), watch.Set{watch.Key{Path: "k"}: {}})
				eventually(t, func() string {
					err := w.Err(watch.Key{Path: "k"})
					_, known := w.Get(watch.Key{Path: "k"})
					if c.says == "" && known && err == nil && redirected.Load() > 0 || c.says != "" && err != nil && strings.Contains(err.Error(), c.says) && watch.IsPermanent(err) {
						return ""
					}
					return fmt.Sprintf("known %v, error %v, redirected %d times", known, err, redirected.Load())
				})
				if n := leaked.Load(); n > 0 && !c.alsoToOther {
					t.Errorf("the token went elsewhere %d times", n)
				}
				if c.says == "" && followed.Load()+leaked.Load() == 0 {
					t.Error("the token did not follow")
				}
			})
		}
	}
}

// quietServer is a server that runs until the test ends, and logs nothing.
func quietServer(t *testing.T, secure bool, handle http.HandlerFunc) *httptest.Server {
	server := httptest.NewUnstartedServer(handle)
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	if secure {
		server.StartTLS()
	} else {
		server.Start()
	}
	t.Cleanup(func() { server.CloseClientConnections(); server.Close() })
	return server
}

// TestRedirectLoop has a server that redirects for ever.
func TestRedirectLoop(t *testing.T) {
	server := quietServer(t, false, http.RedirectHandler("/again", http.StatusFound).ServeHTTP)
	if _, err := first(t, open(t, Config{Address: server.URL}), watch.Key{Path: "k"}); err == nil || !strings.Contains(err.Error(), "10 redirects") {
		t.Errorf("a loop of redirects: %v", err)
	}
}
