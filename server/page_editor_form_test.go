package server_test

import (
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// lit waits until exactly these lines of the Job are lit.
func lit(lines ...string) step {
	return until(`(want) => {
		const lit = [...document.getElementById("job").shadowRoot.querySelectorAll(".cm-line.cm-lit")].map((one) => one.textContent.trim());
		return lit.join("\n") === (want ?? []).join("\n");
	}`, append([]string{}, lines...))
}

func TestT3TheLinesThatTheLineOfTheCaretHasMadeAreLit(t *testing.T) {
	ctx := withText(t).openEditor()
	do(t, ctx, "a value", caret("image: \"{{ image }}"), lit("image: etl:1"))
	do(t, ctx, "the declaration of a variable", caret("default: \"64Mi"), lit("memory: 64Mi"))
	do(t, ctx, "a block", caret("a block"), lit("- |", "a block", "scalar"))
	do(t, ctx, "a comment", caret("# the jobs"), lit())
	do(t, ctx, "after a change", write(replaced("64Mi", "77Mi")), in("job", "memory: 77Mi"), caret("memory: '{{ memory"), lit("memory: 77Mi"))
	do(t, ctx, "by a key", chromedp.KeyEvent(kb.ArrowUp), lit("limits:"))
}

func TestT12TheFormChangesDefaultsAndNothingElse(t *testing.T) {
	r := withText(t)
	text := strings.Replace(aText, "job_configuration:\n", `    rows: {type: integer, default: 5}   # many
    mode: {type: string, enum: [fast, safe], default: fast}
    verbose: {type: boolean}
    "note": {"type": "string"}
    lines:
      type: string
      default: |
        two
        lines
job_configuration:
`, 1)
	text = strings.Replace(text, "              a block", "              {{ rows }} {{ mode }} {{ verbose }} {{ note }} {{ lines }}", 1)
	r.saveText(text, "")
	ctx := r.openEditor()
	fill := func(name, value string) step {
		return until(`(name, value) => {
			const label = [...document.querySelectorAll("#variables label")].find((one) => one.textContent === name);
			const input = label?.control;
			if (!input) return false;
			input.focus();
			for (let i = 1; i <= value.length; i++) { // as it is typed
				if (input.tagName === "SELECT" && i < value.length) continue;
				input.value = value.slice(0, i);
				input.dispatchEvent(new Event("input", { bubbles: true }));
			}
			return true;
		}`, name, value)
	}
	do(t, ctx, "the tab", press("#tab-variables"), shows("#variables", "Its default takes several lines"),
		until(`() => [...document.querySelectorAll("#variables label")].find((one) => one.textContent === "memory_limit").control.value === "64Mi"`))
	want := text
	for _, one := range []struct{ name, value, old, new string }{
		{"memory_limit", "128Mi", `default: "64Mi"`, `default: "128Mi"`},
		{"image", "it's:2", `'etl:1'`, `'it''s:2'`},
		{"rows", "1000000", "default: 5}", "default: 1000000}"},
		{"mode", "safe", "default: fast", "default: safe"},
		{"verbose", "true", "verbose: {type", "verbose: {default: true, type"},
		{"note", "a # b", `"note": {"type"`, `"note": {"default": "a # b", "type"`},
	} {
		do(t, ctx, one.name, fill(one.name, one.value))
		want = strings.Replace(want, one.old, one.new, 1)
		if got := evaluate[string](t, ctx, editorText); got != want {
			t.Fatalf("%s: the text has become\n%s\nwant\n%s", one.name, got, want)
		}
	}
	do(t, ctx, "it is checked", shows("#verdict", "valid"), press("#tab-job"), in("job", "memory: 128Mi"), in("job", "1000000 safe true a # b"))
	do(t, ctx, "the text fills the form", write(strings.Replace(want, "1000000", "7", 1)), press("#tab-variables"),
		until(`() => [...document.querySelectorAll("#variables label")].find((one) => one.textContent === "rows").control.value === "7"`))
}
