// Package day measures a busy day in less than an hour: a server on PostgreSQL with a base of finished runs, workers with
// output, retention and an archive of output beside them, and PostgreSQL killed in the middle.
//
// `make bench` has a row of a small size. The flags make it larger; a machine of its size takes this:
//
//	go test -run '^$' -bench Day -timeout 2h ./e2e/bench/day -rate 1200 -for 10m -base 1000000 -output 51200 -workers 100
//
// The workers are real; what they run are jobs in memory (cluster_test.go), which all of them see as one cluster.
package day
