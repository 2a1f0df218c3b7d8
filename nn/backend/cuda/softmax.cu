// The gradient of the cross-entropy of softmax, for CUDA. nn/loss.py explains the arrays.


// p        = exp(z[n, c] - log_sums[n])
// dz[n, c] = (p - (1 if c is labels[n], else 0)) / N. A thread computes one element of dz.
extern "C" __global__ void softmax_gradient(
    INDEX size, const REAL *z, const REAL *log_sums, const long long *labels, INDEX rows, INDEX classes,
    REAL *dz)
{
    for (INDEX index = blockIdx.x * (INDEX)blockDim.x + threadIdx.x; index < size;
         index += (INDEX)gridDim.x * blockDim.x) {
        INDEX n = index / classes, c = index % classes;
        REAL probability = exp(z[index] - log_sums[n]);
        dz[index] = (probability - (c == labels[n] ? (REAL)1 : (REAL)0)) / rows;
    }
}
