//go:build race

package fsm_test

// raceDetector says that everything is several times slower.
const raceDetector = true
