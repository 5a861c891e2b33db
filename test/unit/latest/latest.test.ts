import { expect } from 'chai';
import { Latest } from '../../../src/latest.js';

describe('a latest value', () => {
  it('tells a subscriber the present value at once, then every change', () => {
    const latest = new Latest(1);
    const told: number[] = [];
    latest.subscribe((value) => told.push(value));
    latest.set(2);
    latest.set(3);
    expect(told).to.deep.equal([1, 2, 3]);
    expect(latest.value).to.equal(3);
  });

  it('wakes nobody for the value it has', () => {
    const value = { same: true };
    const latest = new Latest(value);
    let told = 0;
    latest.subscribe(() => told++);
    latest.set(value);
    expect(told).to.equal(1);
    latest.set({ same: true });
    expect(told, 'another object is another value').to.equal(2);
  });

  it('tells a subscriber that has left no more', () => {
    const latest = new Latest(1);
    const told: number[] = [];
    const unsubscribe = latest.subscribe((value) => told.push(value));
    unsubscribe();
    latest.set(2);
    expect(told).to.deep.equal([1]);
  });

  it('tells nobody whose subscription another subscriber has just ended', () => {
    const latest = new Latest(1);
    const told: number[] = [];
    let endOther = () => {};
    latest.subscribe((value) => value === 2 && endOther());
    endOther = latest.subscribe((value) => told.push(value));
    latest.set(2);
    expect(told).to.deep.equal([1]);
  });

  it('ends with the newest value for all, when a subscriber sets one itself', () => {
    const latest = new Latest(0);
    const told: number[] = [];
    latest.subscribe((value) => value === 1 && latest.set(2));
    latest.subscribe((value) => told.push(value));
    latest.set(1);
    expect(told).to.deep.equal([0, 2]);
  });

  it('lets a subscriber subscribe another one', () => {
    const latest = new Latest(1);
    const told: number[] = [];
    const unsubscribe = latest.subscribe((value) => {
      if (value === 2) latest.subscribe((inner) => told.push(inner));
    });
    latest.set(2);
    unsubscribe();
    latest.set(3);
    expect(told).to.deep.equal([2, 3]);
  });

  describe('waited for', () => {
    it('is given at once when it is there', async () => {
      expect(await new Latest(5).when((value) => value === 5)).to.equal(5);
    });

    it('is the first that is accepted, and no later one', async () => {
      const latest = new Latest(1);
      const even = latest.when((value) => value % 2 === 0);
      for (const value of [3, 4, 6]) latest.set(value);
      expect(await even).to.equal(4);
    });

    it('is looked at no more once it was given', async () => {
      const latest = new Latest(1);
      const looked: number[] = [];
      await latest.when((value) => looked.push(value) > 0);
      latest.set(2);
      expect(looked).to.deep.equal([1]);
    });
  });
});
