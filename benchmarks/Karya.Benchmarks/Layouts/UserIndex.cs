namespace Karya.Benchmarks.Layouts;

/// <summary>How the finished plans of a user are found.</summary>
internal enum UserIndex
{
    /// <summary>(user_id, id) with the user's UUID.</summary>
    Uuid,

    /// <summary>(user_id, id) with a number of 4 bytes for the user.</summary>
    Number,

    /// <summary>No index while rows arrive; built when the partition is closed.</summary>
    Late,
}
