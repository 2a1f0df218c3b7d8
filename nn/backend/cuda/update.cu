// The SGD update of one parameter array, for CUDA. `nn.SGD` explains the two forms.
//
// The constants arrive as double, like all numbers from Python, and are rounded to REAL once: else they would draw all
// arithmetic to double.


// v <- momentum v - lr (weight_decay w + g);  w <- w + v. A thread computes one element of v and the same of w.
extern "C" __global__ void sgd_paper(
    INDEX size, REAL *w, REAL *v, const REAL *g, double lr, double momentum, double weight_decay)
{
    for (INDEX index = blockIdx.x * (INDEX)blockDim.x + threadIdx.x; index < size;
         index += (INDEX)gridDim.x * blockDim.x) {
        v[index] = (REAL)momentum * v[index] - (REAL)lr * ((REAL)weight_decay * w[index] + g[index]);
        w[index] += v[index];
    }
}


// v <- momentum v + g + weight_decay w;  w <- w - lr v. A thread computes one element of v and the same of w.
extern "C" __global__ void sgd_pytorch(
    INDEX size, REAL *w, REAL *v, const REAL *g, double lr, double momentum, double weight_decay)
{
    for (INDEX index = blockIdx.x * (INDEX)blockDim.x + threadIdx.x; index < size;
         index += (INDEX)gridDim.x * blockDim.x) {
        v[index] = (REAL)momentum * v[index] + (g[index] + (REAL)weight_decay * w[index]);
        w[index] -= (REAL)lr * v[index];
    }
}
