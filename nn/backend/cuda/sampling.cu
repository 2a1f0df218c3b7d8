// Images seen through an affine map, for CUDA. nn/data/augmentation.py explains the arrays.


static __device__ double between(double lowest, double number, double highest)
{
    return number < lowest ? lowest : number > highest ? highest : number;
}


// out[n, h, w, c] = images[n, ., ., c] at (m[0,0] h + m[0,1] w + m[0,2],  m[1,0] h + m[1,1] w + m[1,2]), m = maps[n],
// both places measured from the image's centre: a mean of the four pixels around, in proportion to how near each is.
// Outside the image is `fill`.
// A thread computes one element of `out`. Places and shares are double, as the maps are.
extern "C" __global__ void affine(
    INDEX size, const REAL *images, const double *maps, INDEX height, INDEX width, INDEX channels,
    double fill, REAL *out)
{
    for (INDEX index = blockIdx.x * (INDEX)blockDim.x + threadIdx.x; index < size;
         index += (INDEX)gridDim.x * blockDim.x) {
        INDEX c = index % channels;
        INDEX w = index / channels % width;
        INDEX h = index / channels / width % height;
        INDEX n = index / channels / width / height;

        const double *m = maps + 6 * n;
        double middle_h = (height - 1) / 2.0, middle_w = (width - 1) / 2.0;
        double y = h - middle_h, x = w - middle_w;
        // Whatever lies further out than one pixel sees `fill`, as that pixel does.
        double source_h = between(-1, m[0] * y + m[1] * x + m[2] + middle_h, (double)height);
        double source_w = between(-1, m[3] * y + m[4] * x + m[5] + middle_w, (double)width);
        INDEX top = (INDEX)floor(source_h), left = (INDEX)floor(source_w);
        double down = source_h - top, right = source_w - left;

        double sum = 0;
        for (int i = 0; i < 2; i++)
            for (int j = 0; j < 2; j++) {
                double share = (i ? down : 1 - down) * (j ? right : 1 - right);
                INDEX ih = top + i, iw = left + j;
                bool inside = ih >= 0 && ih < height && iw >= 0 && iw < width;
                sum += share * (inside ? images[((n * height + ih) * width + iw) * channels + c] : fill);
            }
        out[index] = (REAL)sum;
    }
}
