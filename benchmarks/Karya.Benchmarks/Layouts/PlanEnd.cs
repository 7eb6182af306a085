namespace Karya.Benchmarks.Layouts;

/// <summary>How a plan that was written while it waited gets from the live table into history.</summary>
internal enum PlanEnd
{
    /// <summary>The server deletes it and inserts what it deleted, in one statement.</summary>
    Moved,

    /// <summary>It is deleted, and sent as a whole, which takes a client that still has the body.</summary>
    SentAgain,

    /// <summary>It is sent as a whole; the live row stays, until its partition of live rows is dropped.</summary>
    LeftBehind,
}
