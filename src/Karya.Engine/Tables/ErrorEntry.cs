namespace Karya.Engine.Tables;

/// <summary>An error text that waits for its way to the tables.</summary>
internal struct ErrorEntry
{
    public PlanId Plan;
    public long Occurrence;
    public long AtMs;
    public ArenaBytes Text;
    public int Hook;
    public int Attempt;
    public int Next;
    public FailureClass Failure;
}
