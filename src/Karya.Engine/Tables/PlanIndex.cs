namespace Karya.Engine.Tables;

/// <summary>
/// Plan id to row, for one partition: open addressing with linear probing. One table per partition keeps each small, so
/// that growing never stops the shard for long.
/// </summary>
internal sealed class PlanIndex(Slab<PlanEntry> plans)
{
    private const int Empty = -1;

    private int[] _slots = NewSlots(8);

    public int Count { get; private set; }

    /// <summary>The row of the plan, or -1.</summary>
    public int Find(PlanId id)
    {
        int mask = _slots.Length - 1;
        for (int slot = Home(id, mask); ; slot = (slot + 1) & mask)
        {
            int row = _slots[slot];
            if (row == Empty || plans[row].Id == id)
                return row;
        }
    }

    public void Add(PlanId id, int row)
    {
        if ((Count + 1) * 3 > _slots.Length * 2)
            Grow();
        Insert(id, row);
        Count++;
    }

    /// <summary>Takes the plan out and closes the gap (Knuth's algorithm R), so that no tombstones pile up.</summary>
    public void Remove(PlanId id)
    {
        int mask = _slots.Length - 1;
        int slot = Home(id, mask);
        while (plans[_slots[slot]].Id != id)
            slot = (slot + 1) & mask;

        for (int next = (slot + 1) & mask; _slots[next] != Empty; next = (next + 1) & mask)
        {
            int home = Home(plans[_slots[next]].Id, mask);
            bool mayStay = slot < next ? home > slot && home <= next : home > slot || home <= next;
            if (mayStay)
                continue;
            _slots[slot] = _slots[next];
            slot = next;
        }

        _slots[slot] = Empty;
        Count--;
    }

    /// <summary>Copies the rows, in no particular order.</summary>
    public void CopyTo(List<int> rows)
    {
        foreach (int row in _slots)
        {
            if (row != Empty)
                rows.Add(row);
        }
    }

    private static int Home(PlanId id, int mask) =>
        (int)TaskKey.Mix((ulong)id.Value ^ (ulong)(id.Value >> 64)) & mask;

    private static int[] NewSlots(int count)
    {
        int[] slots = GC.AllocateUninitializedArray<int>(count);
        Array.Fill(slots, Empty);
        return slots;
    }

    private void Insert(PlanId id, int row)
    {
        int mask = _slots.Length - 1;
        int slot = Home(id, mask);
        while (_slots[slot] != Empty)
            slot = (slot + 1) & mask;
        _slots[slot] = row;
    }

    private void Grow()
    {
        int[] old = _slots;
        _slots = NewSlots(old.Length * 2);
        foreach (int row in old)
        {
            if (row != Empty)
                Insert(plans[row].Id, row);
        }
    }
}
