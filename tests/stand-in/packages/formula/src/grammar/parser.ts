/** Sums of numbers, such as `1 + 2`. */
export const parse = (text: string): number =>
    text.split('+').reduce((sum, word) => {
        const number = Number(word.trim());
        if (word.trim() === '' || Number.isNaN(number)) throw new Error(`no number: ${word}`);
        return sum + number;
    }, 0);
