package main

import (
	"strings"
	"testing"
)

var someRows = []row{
	row{Part: "memory", What: "held", Value: 12.345, Unit: perMembership}.atMost(16),
	{Part: "memory", What: "  of it mapped", Value: 12, Unit: perMembership},
	row{Part: "apply", What: "create", Value: 1_234_567.8, Unit: "memberships/s"}.atLeast(2_500_000),
}

func TestTable(t *testing.T) {
	var out strings.Builder
	printTable(&out, someRows)
	const want = `
part    what            figure     unit           asked        met
memory  held            12.35      B/membership   ≤ 16.00      yes
          of it mapped  12.00      B/membership                
apply   create          1,234,568  memberships/s  ≥ 2,500,000  NO
`
	if out.String() != want[1:] {
		t.Errorf("got\n%s", out.String())
	}
}

func TestMarkdownTable(t *testing.T) {
	var out strings.Builder
	markdownTable(&out, someRows)
	const want = `
| part | what | figure | unit | asked | met |
|---|---|---:|---|---|---|
| memory | held | 12.35 | B/membership | ≤ 16.00 | yes |
| memory | … of it mapped | 12.00 | B/membership |  |  |
| apply | create | 1,234,568 | memberships/s | ≥ 2,500,000 | NO |
`
	if out.String() != want[1:] {
		t.Errorf("got\n%s", out.String())
	}
}

func TestGrouped(t *testing.T) {
	for number, want := range map[float64]string{0: "0", 999: "999", 1000: "1,000", -123456: "-123,456", 1e7: "10,000,000"} {
		if got := grouped(number); got != want {
			t.Errorf("%v: %s, want %s", number, got, want)
		}
	}
}
