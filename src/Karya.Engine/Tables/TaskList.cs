namespace Karya.Engine.Tables;

/// <summary>Enumerates the tasks of a plan; the current one must not be freed meanwhile.</summary>
internal readonly ref struct TaskList(ShardTables tables, int first)
{
    public Enumerator GetEnumerator() => new(tables, first);

    public ref struct Enumerator(ShardTables tables, int first)
    {
        private int _next = first;

        public int Current { get; private set; } = -1;

        public bool MoveNext()
        {
            Current = _next;
            if (Current < 0)
                return false;
            _next = tables.Tasks[Current].NextInPlan;
            return true;
        }
    }
}
