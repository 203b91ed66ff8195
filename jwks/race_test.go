//go:build race

package jwks_test

// raceDetector says whether the test was compiled with it, which makes a sync.Pool forget at
// random.
const raceDetector = true
