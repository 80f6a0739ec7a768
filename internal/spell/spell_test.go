package spell

import "testing"

func TestClosest(t *testing.T) {
	names := []string{"key", "keyOrDefault", "ls", "service", "services", "toJSON", "command"}
	for word, want := range map[string]string{
		"kye": "key", "servise": "service", "toJson": "toJSON", "comand": "command", "keyOrDefalt": "keyOrDefault",
		"zebra": "", "": "", "x": "",
	} {
		if got := Closest(word, names); got != want {
			t.Errorf("Closest(%q) = %q, want %q", word, got, want)
		}
	}
}

func TestSlip(t *testing.T) {
	names := []string{"PATH", "HTTP_PROXY", "http_proxy", "CONSUL_HTTP_TOKEN", "TZ"}
	for word, want := range map[string]string{
		"PTAH": "PATH", "path": "PATH", "CONSUL_HTTP_TOKNE": "CONSUL_HTTP_TOKEN", "CONSUL_HTTP_TOKENS": "CONSUL_HTTP_TOKEN",
		"http_proxy": "", "PATHFINDER": "", "TS": "", "": "",
	} {
		if got := Slip(word, names); got != want {
			t.Errorf("Slip(%q) = %q, want %q", word, got, want)
		}
	}
}
