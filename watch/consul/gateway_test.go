package consul

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"lictor/watch"
)

// A gateway is a proxy that has an answer whole before it passes it on.
type gateway struct {
	patience time.Duration                            // what takes longer to begin is given up
	most     int                                      // bytes of an answer; 0 is no limit
	refuse   func(w http.ResponseWriter, body []byte) // how it does so, and what it does with too large an answer
}

// pass has next answer a request.
func (g gateway) pass(w http.ResponseWriter, r *http.Request, next http.Handler) {
	ctx, cancel := context.WithTimeout(r.Context(), g.patience)
	defer cancel()
	whole := httptest.NewRecorder()
	next.ServeHTTP(whole, r.WithContext(ctx))
	body := whole.Body.Bytes()
	switch {
	case ctx.Err() != nil:
		g.refuse(w, nil)
	case g.most > 0 && len(body) > g.most:
		g.refuse(w, body[:g.most])
	default:
		for name, values := range whole.Header() {
			w.Header()[name] = values
		}
		w.WriteHeader(whole.Code)
		_, _ = w.Write(body)
	}
}

// refusals are ways in which a gateway does not pass something on.
var refusals = map[string]func(w http.ResponseWriter, body []byte){
	"502": func(w http.ResponseWriter, _ []byte) { w.WriteHeader(http.StatusBadGateway) },
	"504": func(w http.ResponseWriter, _ []byte) { w.WriteHeader(http.StatusGatewayTimeout) },
	"cut": func(http.ResponseWriter, []byte) { panic(http.ErrAbortHandler) },
	"cut off": func(w http.ResponseWriter, body []byte) {
		w.Header().Set("Content-Length", fmt.Sprint(len(body)+1))
		_, _ = w.Write(body)
		panic(http.ErrAbortHandler)
	},
}

// TestGateway has a proxy that has each answer whole before it passes it on, gives up what waits for half a minute, and lets no
// large answers through: changes are seen as ever, nobody is told of it again and again, and it is not asked all the time.
func TestGateway(t *testing.T) {
	for name, refuse := range refusals {
		for _, bounded := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, bounded %v", name, bounded), func(t *testing.T) {
				wired(t, func(t *testing.T, cable *cable, w *watch.Watcher, want watch.Set, log *lockedBuffer) {
					g := gateway{patience: 30 * time.Second, refuse: refuse}
					if bounded { // what somebody asked for gets through, and long lists don't
						g.most = 3 << 10
						if !want.Has(watch.Key{Path: "app/1"}) {
							g.most = 1 << 10
						}
					}
					var requests atomic.Int64
					cable.cutting.Lock()
					cable.refuse = func(w http.ResponseWriter, r *http.Request) bool {
						requests.Add(1)
						g.pass(w, r, cable.fake)
						return true
					}
					cable.cutting.Unlock()
					cable.away(false)
					time.Sleep(time.Minute)
					begin, said := time.Now(), log.String()
					requests.Store(0)
					for port := 81; port < 91; port++ {
						time.Sleep(time.Duration(port) * 500 * time.Millisecond)
						cable.next(port)
						within(t, 5*time.Second, func() string { return current(w, want, port) })
					}
					if log.String() != said {
						t.Errorf("was said:\n%s", strings.TrimPrefix(log.String(), said))
					}
					took := time.Since(begin)
					if n, most := requests.Load(), int64(took.Seconds())*int64(len(want)+5); n > most { // one a second of each
						t.Errorf("%d requests in %s, want at most %d", n, took, most)
					}
				})
			})
		}
	}
}
