namespace Karya.Node.Cluster;

/// <summary>A node that can own partitions.</summary>
/// <param name="Name">Unique in the cluster; ordered and compared by its UTF-16 code units.</param>
/// <param name="Weight">Its part of the partitions, relative to the others' weights. At least 1.</param>
internal readonly record struct Member(string Name, int Weight);
