package systemtest

import (
	"encoding/json"
	"fmt"
	"net/http"
)

// statuses reads the reply of a POST as how many records got each status.
func statuses(op operation, got reply) (map[string]int, error) {
	if !op.bulk {
		var single struct {
			Status string `json:"status"`
		}
		if err := json.Unmarshal(got.body, &single); err != nil {
			return nil, err
		}
		wantCode := http.StatusOK
		if single.Status == "created" {
			wantCode = http.StatusCreated
		}
		if got.status != wantCode {
			return nil, fmt.Errorf("HTTP status for %q must be %d", single.Status, wantCode)
		}
		return map[string]int{single.Status: 1}, nil
	}
	var many struct {
		Created    int               `json:"created"`
		Renewed    int               `json:"renewed"`
		Unchanged  int               `json:"unchanged"`
		Expired    int               `json:"expired"`
		Rejected   int               `json:"rejected"`
		Rejections []json.RawMessage `json:"rejections"`
	}
	if err := json.Unmarshal(got.body, &many); err != nil {
		return nil, err
	}
	if many.Rejected != 0 || len(many.Rejections) != 0 {
		return nil, fmt.Errorf("%d of %d valid records were rejected", many.Rejected, len(op.writes))
	}
	if sum := many.Created + many.Renewed + many.Unchanged + many.Expired; sum != len(op.writes) {
		return nil, fmt.Errorf("the reply accounts for %d of %d records", sum, len(op.writes))
	}
	return map[string]int{
		"created": many.Created, "renewed": many.Renewed,
		"unchanged": many.Unchanged, "expired": many.Expired,
	}, nil
}

func sameStatuses(a, b map[string]int) bool {
	for _, status := range []string{"created", "renewed", "unchanged", "expired"} {
		if a[status] != b[status] {
			return false
		}
	}
	return true
}
