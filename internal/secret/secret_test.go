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

// However a secret is printed, encoded or logged, it does not show.
func TestSecretsDoNotShow(t *testing.T) {
	type client struct{ Token, None Text }
	token := Text("sesame")
	c := client{Token: token}
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
	for _, s := range []string{
		fmt.Sprint(token), fmt.Sprintf("%s", token), fmt.Sprintf("%q", token), fmt.Sprintf("%#v", token), fmt.Sprint(c), fmt.Sprintf("%+v", c),
		fmt.Sprintf("%#v", c), string(asJSON), string(asYAML), text.String(), structured.String(),
	} {
		if strings.Contains(s, "sesame") || strings.Count(s, Redacted) == 0 {
			t.Errorf("shows the secret, or hides that there is one: %s", s)
		}
	}
	if hex := fmt.Sprintf("%x %X", token, token); hex != fmt.Sprintf("%x %X", Redacted, Redacted) {
		t.Errorf("shows the secret in other digits: %s", hex)
	}
	if token.Reveal() != "sesame" || c.None.String() != "" || c.None.Reveal() != "" {
		t.Error("a secret that can not be used, or one that seems to be there")
	}
}
