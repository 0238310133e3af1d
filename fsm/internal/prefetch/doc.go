// Package prefetch asks the processor to read memory before it is needed.
//
// A load of what is in no cache holds back everything behind it once the processor's
// window of instructions is full, which it soon is: some ten loads wait at the same time.
// A prefetch is done with as soon as it is on its way, and many more can be.
//
// Go has the instruction for its runtime alone, so this package has it in assembly, where
// a processor's is known; elsewhere it does nothing.
package prefetch
