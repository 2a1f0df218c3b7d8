// The gradients of ReLU and Sigmoid, for CUDA. layers/activations.py has the formulas.


// dx = dy where y > 0, else 0. A thread computes one element of dx, from the same element of dy, which may be its own.
extern "C" __global__ void relu_backward(INDEX size, const REAL *dy, const REAL *y, REAL *dx)
{
    for (INDEX index = blockIdx.x * (INDEX)blockDim.x + threadIdx.x; index < size;
         index += (INDEX)gridDim.x * blockDim.x)
        dx[index] = y[index] > 0 ? dy[index] : (REAL)0;
}


// dx = dy * y * (1 - y). A thread computes one element of dx, from the same element of dy, which may be its own.
extern "C" __global__ void sigmoid_backward(INDEX size, const REAL *dy, const REAL *y, REAL *dx)
{
    for (INDEX index = blockIdx.x * (INDEX)blockDim.x + threadIdx.x; index < size;
         index += (INDEX)gridDim.x * blockDim.x)
        dx[index] = dy[index] * (y[index] * (1 - y[index]));
}
