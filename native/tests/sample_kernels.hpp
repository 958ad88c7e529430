#pragma once

/// Registers the kernels "test_lif", "test_lif_two" (with a second input), "test_bernoulli" and
/// "test_copy", all with hash "1".
void register_sample_kernels();
