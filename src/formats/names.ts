/** What a model is called: the last part of its path or URL, without its ending. */
export function modelName(file: string | undefined): string {
  const last = file?.split(/[?#]/)[0].split(/[/\\]/).pop();
  return last?.replace(/\.[^.]*$/, '') || 'model';
}
