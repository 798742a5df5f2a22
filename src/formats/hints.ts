/** What to do about a file that ends too early. */
export const COPY_AGAIN = 'Copy or download the file again';
