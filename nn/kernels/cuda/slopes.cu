// Biases, and the slopes of ReLU and Sigmoid, for CUDA. nn/kernels/slopes.py explains the arrays.


// y[r, c] = y[r, c] + bias[c]. A thread computes one element of y.
extern "C" __global__ void add_bias(long long size, REAL *y, const REAL *bias, long long channels)
{
    for (long long index = blockIdx.x * (long long)blockDim.x + threadIdx.x; index < size;
         index += (long long)gridDim.x * blockDim.x)
        y[index] += bias[index % channels];
}


// y[r, c] = max(y[r, c] + bias[c], 0). A thread computes one element of y.
extern "C" __global__ void add_bias_relu(long long size, REAL *y, const REAL *bias, long long channels)
{
    for (long long index = blockIdx.x * (long long)blockDim.x + threadIdx.x; index < size;
         index += (long long)gridDim.x * blockDim.x) {
        REAL sum = y[index] + bias[index % channels];
        y[index] = sum < 0 ? (REAL)0 : sum;  // "< 0" is false for NaN, which must not be hidden
    }
}


// dx = dy where y > 0, else 0. A thread computes one element of dx, from the same element of dy, which may be its own.
extern "C" __global__ void relu_gradient(long long size, const REAL *dy, const REAL *y, REAL *dx)
{
    for (long long index = blockIdx.x * (long long)blockDim.x + threadIdx.x; index < size;
         index += (long long)gridDim.x * blockDim.x)
        dx[index] = y[index] > 0 ? dy[index] : (REAL)0;
}


// dx = dy * y * (1 - y). A thread computes one element of dx, from the same element of dy, which may be its own.
extern "C" __global__ void sigmoid_gradient(long long size, const REAL *dy, const REAL *y, REAL *dx)
{
    for (long long index = blockIdx.x * (long long)blockDim.x + threadIdx.x; index < size;
         index += (long long)gridDim.x * blockDim.x)
        dx[index] = dy[index] * (y[index] * (1 - y[index]));
}
