package tools

import (
	"errors"
	"strings"
	"testing"
	"time"
)

// Where nothing was compared, nothing is equal.
func TestVerifyReport(t *testing.T) {
	var out strings.Builder
	v := &verifier{o: VerifyOptions{Out: &out}}
	if err := v.report(v.open()); !errors.Is(err, ErrUndecided) {
		t.Errorf("no round compared: %v, want %v", err, ErrUndecided)
	}
	v.at = time.Unix(1_790_000_000, 0)
	if err := v.report(v.open()); err != nil {
		t.Errorf("a round found no segments on either side: %v", err)
	}
	v.compared = map[string]*comparison{"same": {equal: true}, "moving": {differed: 1}}
	if err := v.report(v.open()); !errors.Is(err, ErrUndecided) {
		t.Errorf("a segment is not decided: %v, want %v", err, ErrUndecided)
	}
	v.compared["other"] = &comparison{differed: verifyRounds}
	if err := v.report(v.open()); !errors.Is(err, ErrDifferent) {
		t.Errorf("a segment differs: %v, want %v", err, ErrDifferent)
	}
}
