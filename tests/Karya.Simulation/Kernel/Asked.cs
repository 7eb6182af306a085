namespace Karya.Simulation.Kernel;

/// <summary>How a question to a server ended, as far as who asked can tell.</summary>
internal enum AskedEnd
{
    /// <summary>It was done, and this is the answer.</summary>
    Answered,

    /// <summary>It was surely not done: nobody took the call, or the server said no before it began.</summary>
    NotDone,

    /// <summary>Nothing came back in time. It may have been done, and may yet be.</summary>
    Unknown,
}

internal readonly record struct Asked<T>(AskedEnd End, T? Value = default);
