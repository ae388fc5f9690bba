package store

import (
	"encoding/binary"
	"fmt"

	"github.com/google/uuid"
)

// RunName is the name of a run that is given none. It makes a name that people can tell from others, read out and type, of the random tail of a run's id:
// all 32 bits of it, so that two runs of the same name are rarer than anybody makes runs.
func RunName(id uuid.UUID) string {
	const signs = "0123456789abcdefghjkmnpqrstvwxyz" // characters that are not mistaken for each other
	tail := binary.BigEndian.Uint32(id[12:])
	var last [4]byte
	for i := range last {
		last[i] = signs[tail>>(5*i)&31]
	}
	return fmt.Sprintf("%s-%s-%s", adjectives[tail>>26], nouns[tail>>20&63], last[:])
}

// Words of harbours and ships.
var (
	adjectives = [64]string{
		"able", "amber", "bold", "brave", "bright", "brisk", "calm", "clear", "coastal", "deep", "eager", "early", "fair", "fleet",
		"fresh", "gentle", "golden", "grand", "hardy", "keen", "kind", "late", "lively", "loyal", "lucky", "mild", "misty", "noble",
		"open", "patient", "plain", "proud", "quick", "quiet", "rapid", "ready", "royal", "salty", "sharp", "silent", "silver",
		"sleek", "smooth", "snug", "solid", "stable", "steady", "stout", "strong", "sturdy", "sunny", "swift", "tall", "tidal",
		"tidy", "trim", "true", "trusty", "vast", "warm", "wide", "windy", "wise", "young",
	}
	nouns = [64]string{
		"anchor", "barge", "bay", "beacon", "bollard", "boom", "bow", "breeze", "bridge", "brig", "buoy", "cable", "cape", "cargo",
		"clipper", "cove", "crane", "current", "cutter", "deck", "dinghy", "dock", "ferry", "fjord", "galley", "gangway", "gull",
		"harbor", "hawser", "helm", "hull", "inlet", "jetty", "keel", "ketch", "lagoon", "lantern", "launch", "lock", "lugger",
		"mast", "mooring", "oar", "packet", "pier", "pilot", "pontoon", "port", "quay", "reef", "rigger", "rudder", "sail",
		"schooner", "shoal", "shore", "skiff", "sloop", "spar", "strait", "tide", "tiller", "trawler", "wharf",
	}
)
