package secret

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"
)

// However a secret is printed, encoded or logged, it does not show, but that there is one does.
func TestSecretsDoNotShow(t *testing.T) {
	token := Text("sesame")
	c := struct{ Token, None Text }{Token: token}
	asJSON, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	asYAML, err := yaml.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	var text, structured bytes.Buffer
	slog.New(slog.NewTextHandler(&text, nil)).Info("start", "token", token, "client", c)
	slog.New(slog.NewJSONHandler(&structured, nil)).Info("start", "token", token, "client", c)
	shown := []string{string(asJSON), string(asYAML), text.String(), structured.String()}
	for _, format := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
		shown = append(shown, fmt.Sprintf(format, token), fmt.Sprintf(format, c))
	}
	for _, s := range shown {
		if strings.Contains(s, "sesame") || !strings.Contains(s, Redacted) {
			t.Errorf("it shows: %s", s)
		}
	}
	if hex := fmt.Sprintf("%x", token); hex != fmt.Sprintf("%x", Redacted) {
		t.Errorf("it shows in other digits: %s", hex)
	}
	if token.Reveal() != "sesame" || c.None.String() != "" {
		t.Error("a secret that can not be used, or one that seems to be there")
	}
}
