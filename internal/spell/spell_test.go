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

func TestFunction(t *testing.T) {
	known := []string{"sprig_default", "sprig_splitList", "sprig_list", "sprig_trim", "sprig_toJson", "trim", "key", "keyOrDefault", "keyExists", "env", "toJSON", "ls", "tree"}
	for unknown, want := range map[string]string{
		"default": `did you mean "sprig_default"?`, "splitList": `did you mean "sprig_splitList"?`, "defalt": `did you mean "sprig_default"?`,
		"sprig_defualt": `did you mean "sprig_default"?`, "sprigdefault": `did you mean "sprig_default"?`,
		"kye": `did you mean "key"?`, "key_or_default": `did you mean "keyOrDefault"?`, "key_exists": `did you mean "keyExists"?`,
		"toJson": `did you mean "toJSON"?`, "tirm": `did you mean "trim"?`, "sprig_env": `did you mean "env"?`, "indx": `did you mean "index"?`,
		"keyPrefix": "ls and tree have taken its place", "storeKeyPrefix": "ls and tree have taken its place",
		"vault":     "secret has taken its place, and Vault is not supported",
		"sprig_now": "timestamp tells the time of the rendering", "now": "timestamp tells the time of the rendering",
		"zebra": "", "": "", "sprig_zebra": "",
	} {
		if got := Function(unknown, known); got != want {
			t.Errorf("Function(%q) = %q, want %q", unknown, got, want)
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
