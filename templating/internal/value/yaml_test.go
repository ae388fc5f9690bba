package value_test

import (
	"math/rand/v2"
	"testing"

	kubernetes "sigs.k8s.io/yaml"

	"github.com/berth-dev/berth/templating/internal/value"
)

// TestWhatIsWrittenAsYAMLReadsBackAsTheSame is about texts, as values and as keys, here and in the YAML of
// Kubernetes, which is older.
func TestWhatIsWrittenAsYAMLReadsBackAsTheSame(t *testing.T) {
	texts := []string{
		"", "y", "N", "on", "off", "yes", "<<", "~", "null", "true", "12:30", "0o7", "0x1f", "1e3", ".inf",
		"2026-01-01", "- a", "a: b", "a #b", "#", "\ta\nb", "\n\ta\n", " a\nb", "\na", "a\n\n", "a\n b\n",
		"a\r\nb", "\u0085", "\u2028", "\ufeff", "\x01", "é\n", "|", ">-\n", "%a", "@a", "`a",
	}
	alphabet := []rune("ab01 .:-#\n\t\"'{}[]&*!|>%@`,?~=eExo_+nyYN<\u0085\u2028\ufeff\u00e9\x7f\\\r\n ")
	random := rand.New(rand.NewPCG(1, 2))
	for range 3000 {
		text := make([]rune, random.IntN(9))
		for i := range text {
			text[i] = alphabet[random.IntN(len(alphabet))]
		}
		texts = append(texts, string(text))
	}
	for _, text := range texts {
		v := map[string]any{"k": text, text: "v", "l": []any{text, map[string]any{text: text}}}
		written, err := value.EncodeYAML(v)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := value.DecodeYAML(written); err != nil || !value.Equal(got, v) {
			t.Errorf("%q reads back as %v (%v):\n%s", text, got, err, written)
		}
		asJSON, err := kubernetes.YAMLToJSON(written)
		if err != nil {
			t.Errorf("%q: Kubernetes: %v\n%s", text, err, written)
			continue
		}
		if got, err := value.DecodeJSON(asJSON); err != nil || !value.Equal(got, v) {
			t.Errorf("%q reads back as %v (%v) in Kubernetes:\n%s", text, got, err, written)
		}
	}
}
