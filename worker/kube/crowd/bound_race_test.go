//go:build race

package crowd

// perActive with the race detector, whose frames make stacks larger.
const perActive = 36 << 10
