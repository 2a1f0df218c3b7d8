// The gradient of the cross-entropy of softmax, for CUDA. nn/kernels/softmax.py explains the arrays.


// p        = exp(z[n, c] - log_sums[n])
// dz[n, c] = (p - (1 if c is labels[n], else 0)) / N. A thread computes one element of dz.
extern "C" __global__ void softmax_gradient(
    long long size, const REAL *z, const REAL *log_sums, const long long *labels, long long rows, long long classes,
    REAL *dz)
{
    for (long long index = blockIdx.x * (long long)blockDim.x + threadIdx.x; index < size;
         index += (long long)gridDim.x * blockDim.x) {
        long long n = index / classes, c = index % classes;
        REAL probability = exp(z[index] - log_sums[n]);
        dz[index] = (probability - (c == labels[n] ? (REAL)1 : (REAL)0)) / rows;
    }
}
