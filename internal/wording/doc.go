// Package wording collects every text that a user can read, one list per surface, and knows the phrases that
// this project does not use.
//
// Its tests keep the lists in testdata/*.golden, so that a change of wording shows in the diff of a commit
// and is reviewed as text. After a change: go test ./internal/wording -update, then read the difference.
//
//	cli       messages of the command line (its help texts: cmd/berth/testdata/help.golden)
//	server    problem documents and everything else that the server answers
//	explain   why a run waits or how it ended
//	template  lint findings, render errors and problems of a Job manifest
//	worker    what the worker says about an attempt: diagnoses, refusals, outcomes
//	log       log messages at level warn and error, of every component
//	ui        the web pages
//	alert     alerts and dashboard
//	chart     messages of the Helm chart
package wording
