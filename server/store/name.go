package store

import (
	"fmt"

	"github.com/google/uuid"
)

// runName makes a name that people can tell from others out of the random tail of a run's id.
func runName(id uuid.UUID) string {
	number := int(id[14])<<8 | int(id[15])
	return fmt.Sprintf("%s-%s-%03d", adjectives[int(id[12])%len(adjectives)], nouns[int(id[13])%len(nouns)], number%1000)
}

// Words of harbours and ships.
var (
	adjectives = [...]string{
		"able", "amber", "bold", "brave", "bright", "brisk", "calm", "clear", "coastal", "deep", "eager", "early", "fair", "fleet",
		"fresh", "gentle", "golden", "grand", "hardy", "keen", "kind", "late", "lively", "loyal", "lucky", "mild", "misty", "noble",
		"open", "patient", "plain", "proud", "quick", "quiet", "rapid", "ready", "royal", "salty", "sharp", "silent", "silver",
		"sleek", "smooth", "snug", "solid", "stable", "steady", "stout", "strong", "sturdy", "sunny", "swift", "tall", "tidal",
		"tidy", "trim", "true", "trusty", "vast", "warm", "wide", "windy", "wise", "young",
	}
	nouns = [...]string{
		"anchor", "barge", "bay", "beacon", "bollard", "boom", "bow", "breeze", "bridge", "brig", "buoy", "cable", "cape", "cargo",
		"clipper", "cove", "crane", "current", "cutter", "deck", "dinghy", "dock", "ferry", "fjord", "galley", "gangway", "gull",
		"harbor", "hawser", "helm", "hull", "inlet", "jetty", "keel", "ketch", "lagoon", "lantern", "launch", "lock", "lugger",
		"mast", "mooring", "oar", "packet", "pier", "pilot", "pontoon", "port", "quay", "reef", "rigger", "rudder", "sail",
		"schooner", "shoal", "shore", "skiff", "sloop", "spar", "strait", "tide", "tiller", "trawler", "wharf",
	}
)
