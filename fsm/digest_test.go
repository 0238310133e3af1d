package fsm

import "testing"

// Statuses are digested some at a time, which is to make no difference.
func TestOriginDigestCoversAllStatuses(t *testing.T) {
	for _, n := range []int{0, 1, 255, 256, 257, 512, 1000} {
		o := origin{epoch: 3, sequence: 4, index: 5}
		var all []byte
		for i := range n {
			o.statuses = append(o.statuses, Status(i*7%9+1))
			all = append(all, byte(i*7%9+1))
		}
		if o.digest("node-1") != mixAll(titleDigest("node-1"), 3, 4, 5, bytesDigest(all)) {
			t.Errorf("%d statuses have another digest at once", n)
		}
	}
}
