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
