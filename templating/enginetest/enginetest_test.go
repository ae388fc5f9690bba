package enginetest_test

import (
	"testing"

	"github.com/berth-dev/berth/templating"
	"github.com/berth-dev/berth/templating/enginetest"
)

func TestThePlaceholderEngine(t *testing.T) { enginetest.Run(t, templating.PlaceholderEngine()) }

func TestTheGoTemplateEngine(t *testing.T) { enginetest.Run(t, templating.GoTemplateEngine()) }
