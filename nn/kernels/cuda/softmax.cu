// Softmax, and the gradient of its cross-entropy, for CUDA. nn/kernels/softmax.py explains the arrays.


// p[n, c]  = exp(z[n, c] - m) / sum over d of exp(z[n, d] - m),  m = the largest z[n, d]
// dz[n, c] = (p[n, c] - (1 if c is labels[n], else 0)) / N
// A thread computes one element of p and the same of dz. Each adds up its whole row, which is the same sum for all
// threads of the row: a thread for each row would do less work, but a batch has far fewer rows than a GPU has threads.
// The sum is double, so that it does not depend on the number of classes how exact p is.
extern "C" __global__ void softmax_gradient(
    long long size, const REAL *z, const long long *labels, long long rows, long long classes, REAL *p, REAL *dz)
{
    for (long long index = blockIdx.x * (long long)blockDim.x + threadIdx.x; index < size;
         index += (long long)gridDim.x * blockDim.x) {
        long long n = index / classes, c = index % classes;
        const REAL *row = z + n * classes;
        REAL largest = row[0];
        for (long long d = 1; d < classes; d++)
            if (row[d] > largest)
                largest = row[d];
        double sum = 0;
        for (long long d = 0; d < classes; d++)
            sum += exp(row[d] - largest);
        REAL probability = (REAL)(exp(row[c] - largest) / sum);
        p[index] = probability;
        dz[index] = (probability - (c == labels[n] ? (REAL)1 : (REAL)0)) / rows;
    }
}
