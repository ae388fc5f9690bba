package store

// FitBytes returns how many items of these sizes, in order, fit into limit bytes: at least one, so that an
// item that is larger than the limit is not in the way for ever.
func FitBytes(sizes []int, limit int) int {
	total := 0
	for n, size := range sizes {
		if total += size; total > limit {
			return max(n, 1)
		}
	}
	return len(sizes)
}

// weight is about what a setting takes in memory: its documents, and what is decoded of them.
func (s *settingRow) weight() int {
	const decoded = 2
	return len(s.DeploymentVariables) + len(s.Parameters) + decoded*(len(s.CurrentVariables)+len(s.CurrentParameters))
}
