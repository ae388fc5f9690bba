package explain

import (
	"strings"

	"github.com/berth-dev/berth/server/rundiff"
	"github.com/berth-dev/berth/server/store"
)

// differencesMax is how many differences an explanation names. The command that it suggests names all.
const differencesMax = 3

// addSinceItWorked says what is different from the last run of the deployment that completed.
func (e *Explanation) addSinceItWorked(facts *store.RunFacts) {
	sides := facts.SinceItWorked
	if sides == nil {
		return
	}
	result, err := rundiff.Compare(&sides.Before, &sides.After)
	if err != nil {
		return // the values of a run cannot be read: who compares the two runs is told
	}
	when := span(facts.Now.Sub(sides.Before.Run.CreatedAt)) + " ago"
	if len(result.Differences) == 0 {
		e.addDetail("nothing that Berth knows of differs from %s, which completed %s: look at what the job reads",
			sides.Before.Run.Name, when)
		return
	}
	var texts []string
	for i, d := range result.Differences {
		if i == differencesMax {
			break
		}
		texts = append(texts, d.Text)
	}
	e.addDetail("since %s completed %s: %s", sides.Before.Run.Name, when, strings.Join(texts, "; "))
	if more := len(result.Differences) - len(texts); more > 0 {
		e.addDetail("%s: berth run diff %s", plural(more, "more difference", "more differences"), facts.Run.ID)
	}
}
